mod combine;
